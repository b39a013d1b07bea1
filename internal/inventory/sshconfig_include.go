package inventory

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// systemFolder is where ssh keeps its own configuration.
func systemFolder() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("ProgramData"), "ssh")
	}
	return "/etc/ssh"
}

// includes finds the files that one argument of Include stands for, sorted. It
// tells look of each folder in which more of them could appear, before it does.
func (l *local) includes(arg string, system bool, look func(folder string)) ([]string, error) {
	arg, err := expandEnv(arg, l.getenv)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(arg, "~") && system:
		return nil, fmt.Errorf("bad include path %s", arg)
	case strings.HasPrefix(arg, "~"):
		if arg, err = l.expandTilde(arg); err != nil {
			return nil, nil // as a pattern that nothing matches
		}
	case filepath.IsAbs(arg):
	case system:
		arg = filepath.Join(systemFolder(), arg)
	default:
		arg = l.home + "/.ssh/" + arg
	}
	files := glob(arg, look)
	if len(files) > maxPaths {
		return nil, fmt.Errorf("%s stands for more than %d files", arg, maxPaths)
	}
	return files, nil
}

// maxPaths bounds what one pattern may stand for: /*/*/* is a whole machine.
const maxPaths = 10_000

// expandTilde replaces a leading ~ or ~user by the home directory.
func (l *local) expandTilde(path string) (string, error) {
	if !strings.HasPrefix(path, "~") {
		return path, nil
	}
	name, rest, _ := strings.Cut(path[1:], "/")
	home := l.home
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return "", fmt.Errorf("there is no user %s", name)
		}
		home = u.HomeDir
	}
	if home == "" {
		return "", errors.New("the home directory is not known")
	}
	return strings.TrimSuffix(home, "/") + "/" + strings.TrimLeft(rest, "/"), nil
}

// glob is glob(3) without flags. filepath.Glob differs: it takes files that begin
// with a dot for a *.
func glob(pattern string, look func(folder string)) []string {
	volume := filepath.VolumeName(pattern)
	parts := strings.Split(filepath.ToSlash(pattern[len(volume):]), "/")
	paths := []string{volume + parts[0]}
	for _, part := range parts[1:] {
		if part == "" {
			continue
		}
		var next []string
		for _, p := range paths {
			if len(next) <= maxPaths {
				next = append(next, globPart(p+"/", part, look)...)
			}
		}
		paths = next
	}
	slices.Sort(paths) // by their bytes, as C does
	return paths
}

// globPart finds what one part of a pattern means in a folder.
func globPart(folder, part string, look func(folder string)) (paths []string) {
	if !strings.ContainsAny(part, "*?[") {
		if runtime.GOOS != "windows" {
			part = unescape(part)
		}
		if _, err := os.Lstat(folder + part); err != nil {
			look(folder) // it may appear
			return nil
		}
		return []string{folder + part}
	}
	look(folder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	match := strings.ReplaceAll(part, "[!", "[^")
	for _, e := range entries {
		name := e.Name()
		if name[0] == '.' && part[0] != '.' {
			continue
		}
		ok, err := filepath.Match(match, name)
		if ok || err != nil && name == part { // a [ that is never closed is itself
			paths = append(paths, folder+name)
		}
	}
	return paths
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
