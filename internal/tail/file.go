package tail

import "strconv"

// known is how many bytes of a file are kept to know it again.
const known = 64

func (s *stream) fileSaid(words []string) {
	p, name := &s.tracker.position, s.tracker.source.Name
	begin := func(inode string) { p.Inode, p.Offset, p.Before = inode, 0, nil }
	switch {
	case !s.main:
	case words[0] == "file" && len(words) == 3:
		offset, err := strconv.ParseInt(words[2], 10, 64)
		if err == nil && (p.Inode != words[1] || p.Offset != offset) {
			p.Inode, p.Offset, p.Before = words[1], offset, nil
		}
	case words[0] == "rotated" && len(words) == 2:
		s.tell("%s was rotated", name)
		begin(words[1])
	case words[0] == "truncated" && len(words) == 2:
		s.tell("%s was truncated: what was written just before may be missing", name)
		begin(words[1])
	case words[0] == "replaced" && len(words) == 2:
		s.tell("%s was truncated or replaced while there was no connection: lines may be missing", name)
		begin(words[1])
	case words[0] == "missing" && len(words) == 2:
		s.tell("%s was rotated while there was no connection, and the old file is gone: lines may be missing", name)
		begin(words[1])
	case words[0] == "lost":
		s.tell("%s was rotated more than once while there was no connection, and a file is compressed: lines are missing", name)
	}
}

// bytes takes bytes of the file.
func (s *stream) bytes(p []byte) {
	s.out = append(s.out, p...)
	at := &s.tracker.position
	at.Offset += int64(len(p))
	at.Before = append(at.Before, p[max(0, len(p)-known):]...)
	at.Before = at.Before[max(0, len(at.Before)-known):]
}
