package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

const (
	maxFile    = 4 << 20  // bytes of one file of a configuration
	maxLine    = 16 << 10 // bytes of a line that is looked at while listing
	maxInclude = 16       // ssh's limit of nesting

	maxLines  = 2_000_000 // of a configuration with all its includes, each counted as often as it is read
	againCost = 400       // what reading a file once more counts as, in lines
)

var errFolder = errors.New("is a folder")

// readConfig reads one file of an ssh configuration. What is no file is not
// opened: a pipe would wait for ever, a device might never end.
func readConfig(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, plain(err)
	case info.IsDir():
		return nil, errFolder
	case path == os.DevNull:
		return nil, nil
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, plain(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	if text := encodingProblem(data); text != "" {
		return nil, errors.New(text)
	}
	return data, nil
}

// plain takes the path off an error; whoever reports it names the file.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// encodingProblem recognizes what editors of Windows write and ssh cannot read.
func encodingProblem(data []byte) string {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return "is written in UTF-16, which ssh cannot read: save it as UTF-8 without a byte order mark"
	}
	return ""
}

const byteOrderMark = "\ufeff"

// numbered yields the lines of a file, from 1, without their ends.
func numbered(data []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		rest := string(data)
		for n := 1; rest != ""; n++ {
			var line string
			line, rest, _ = strings.Cut(rest, "\n")
			if !yield(n, line) {
				return
			}
		}
	}
}
