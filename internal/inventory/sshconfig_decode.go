package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kevinburke/ssh_config"
)

// line is one statement of a file.
type line struct {
	number  int
	keyword string
	args    []string
	rest    string // what follows the keyword, as it is written
}

// block is what stands under one Host line.
type block struct {
	aliases []string
	values  []Origin // address, user and port, without the file
}

// decode finds the names of each Host line of a file, and what is written under
// them, by the number of the line.
//
// The library that reads it differs from ssh in quotes, tabs, comments and Match,
// reads included files by itself and may take very long for a long line. So it is
// given a text which has none of that: our own reader has split the lines, and of
// them only Host and the three keywords are left, on the lines on which they were.
func decode(lines []line) (blocks map[int]block, err error) {
	defer func() {
		if r := recover(); r != nil { // it panics for what it does not expect
			err = fmt.Errorf("the hosts could not be read: %v", r)
		}
	}()
	var text strings.Builder
	var heads []int
	at := 1
	for _, l := range lines {
		simple := simplified(l)
		if simple == "" {
			continue
		}
		for ; at < l.number; at++ {
			text.WriteByte('\n')
		}
		text.WriteString(simple)
		if l.keyword == "host" || l.keyword == "match" {
			heads = append(heads, l.number)
		}
	}
	config, err := ssh_config.DecodeBytes([]byte(text.String()))
	if err != nil {
		return nil, err
	}
	if len(config.Hosts) != len(heads)+1 { // the first one is what stands before any Host
		return nil, errors.New("the hosts could not be told apart")
	}
	blocks = map[int]block{}
	for i, h := range config.Hosts[1:] {
		blocks[heads[i]] = readBlock(h)
	}
	return blocks, nil
}

func readBlock(h *ssh_config.Host) block {
	var b block
	for _, p := range h.Patterns {
		if name := p.String(); name != nobody && isConcrete(name) {
			b.aliases = append(b.aliases, name)
		}
	}
	fields := map[string]string{"hostname": "address", "user": "user", "port": "port"}
	for _, node := range h.Nodes {
		if kv, ok := node.(*ssh_config.KV); ok {
			b.values = append(b.values, Origin{Field: fields[lower(kv.Key)], Value: kv.Value, Line: kv.Pos().Line})
		}
	}
	return b
}

// nobody is a pattern that matches no host: the head of a block with none.
const nobody = "!*"

// simplified writes a line so that the library reads it as ssh does; "" leaves it
// out.
func simplified(l line) string {
	switch l.keyword {
	case "host":
		names := slices.DeleteFunc(slices.Clone(l.args), func(p string) bool { return p == "" || !isConcrete(p) || !isPlain(p) })
		if len(names) == 0 {
			names = []string{nobody}
		}
		return "Host " + strings.Join(names, " ")
	case "match": // ends the block before
		return "Host " + nobody
	case "hostname", "user", "port":
		if isPlain(l.args[0]) {
			return l.keyword + " " + l.args[0]
		}
	}
	return ""
}

// oddNames are the names on a Host line that the library would not read.
func oddNames(l line) []string {
	return slices.DeleteFunc(slices.Clone(l.args), func(p string) bool { return p == "" || !isConcrete(p) || isPlain(p) })
}

// isPlain reports whether a word means the same with and without quotes.
func isPlain(s string) bool {
	return s != "" && s[0] != '=' && !strings.ContainsAny(s, " \t\r\n\v\f#\"'\x00")
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
