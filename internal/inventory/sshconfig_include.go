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

// includes finds the files that one argument of Include stands for, sorted, and
// the folders in which more of them could appear.
func (l *local) includes(arg string, system bool) (files, folders []string, err error) {
	if arg, err = expandEnv(arg, l.getenv); err != nil {
		return nil, nil, err
	}
	switch {
	case strings.HasPrefix(arg, "~") && system:
		return nil, nil, fmt.Errorf("bad include path %s", arg)
	case strings.HasPrefix(arg, "~"):
		if arg, err = l.expandTilde(arg); err != nil {
			return nil, nil, nil // as a pattern that nothing matches
		}
	case filepath.IsAbs(arg):
	case system:
		arg = filepath.Join(systemFolder(), arg)
	default:
		arg = l.home + "/.ssh/" + arg
	}
	if files, folders = glob(arg); len(files) > maxPaths {
		return nil, folders, fmt.Errorf("%s stands for more than %d files", arg, maxPaths)
	}
	return files, folders, nil
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

// glob is glob(3) without flags, and also tells which folders it looked into.
// filepath.Glob differs: it takes files that begin with a dot for a *.
func glob(pattern string) (paths, folders []string) {
	volume := filepath.VolumeName(pattern)
	parts := strings.Split(filepath.ToSlash(pattern[len(volume):]), "/")
	paths = []string{volume + parts[0]}
	for _, part := range parts[1:] {
		if part == "" {
			continue
		}
		var next []string
		for _, p := range paths {
			if len(next) > maxPaths || len(folders) > maxPaths {
				return next, folders
			}
			found, folder := globPart(p+"/", part)
			next = append(next, found...)
			if folder {
				folders = append(folders, p+"/")
			}
		}
		paths = next
	}
	slices.Sort(paths) // by their bytes, as C does
	return paths, folders
}

// globPart finds what one part of a pattern means in a folder.
func globPart(folder, part string) (paths []string, looked bool) {
	if !strings.ContainsAny(part, "*?[") {
		if runtime.GOOS != "windows" {
			part = unescape(part)
		}
		if _, err := os.Lstat(folder + part); err != nil {
			return nil, true // it may appear
		}
		return []string{folder + part}, false
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, true
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
	return paths, true
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
