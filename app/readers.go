package app

import (
	"sync"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// readers keeps the records that the page looks at open: a view asks sixty times
// a second, and the index of a large record that still grows takes milliseconds
// to make.
type readers struct {
	shell *shell

	mu   sync.Mutex
	open map[job.ID]*openReader
	tick uint64
}

// mostReaders is more than a screen can show.
const mostReaders = 24

type openReader struct {
	mu     sync.Mutex // one request at a time
	reader *engine.Reader
	gone   bool
	used   uint64
}

func newReaders(s *shell) *readers { return &readers{shell: s, open: map[job.ID]*openReader{}} }

// with lends the reader of a job.
func (rs *readers) with(id job.ID, use func(*engine.Reader) error) error {
	for {
		o := rs.take(id)
		o.mu.Lock()
		if o.gone { // closed between take and Lock
			o.mu.Unlock()
			continue
		}
		err := o.use(rs.shell, id, use)
		o.mu.Unlock()
		return err
	}
}

func (o *openReader) use(s *shell, id job.ID, use func(*engine.Reader) error) error {
	if o.reader == nil {
		e, err := s.open()
		if err != nil {
			return err
		}
		if o.reader, err = e.Output(id); err != nil {
			return err
		}
	}
	return use(o.reader)
}

// take finds or adds the entry of a job, and closes the one that was not used
// for longest if there are too many.
func (rs *readers) take(id job.ID) *openReader {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.tick++
	o := rs.open[id]
	if o == nil {
		if len(rs.open) >= mostReaders {
			rs.drop()
		}
		o = &openReader{}
		rs.open[id] = o
	}
	o.used = rs.tick
	return o
}

func (rs *readers) drop() {
	var oldest job.ID
	for id, o := range rs.open {
		if oldest == "" || o.used < rs.open[oldest].used {
			oldest = id
		}
	}
	rs.open[oldest].close()
	delete(rs.open, oldest)
}

func (o *openReader) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reader != nil {
		_ = o.reader.Close() // it was only read
	}
	o.reader, o.gone = nil, true
}

func (rs *readers) close() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for id, o := range rs.open {
		o.close()
		delete(rs.open, id)
	}
}
