package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"vmorchestrator/internal/job"
)

// Indexed is what Reindex found.
type Indexed struct {
	Jobs     int
	Problems []error // segments that could not be read; each names its file
}

// Reindex makes the list of jobs anew from the segments. A segment that cannot
// be read is reported and costs no other.
func (j *Journal) Reindex(ctx context.Context) (out Indexed, failed error) {
	if err := os.Remove(filepath.Join(j.dir, staleName)); err == nil {
		defer func() {
			if failed != nil || j.scratch != "" { // it still is
				_ = os.WriteFile(filepath.Join(j.dir, staleName), nil, 0o600)
			}
		}()
	}
	var mu sync.Mutex
	batch := make([]job.Job, 0, 512)
	flush := func() error {
		err := j.cat.put(batch...)
		out.Jobs += len(batch)
		batch = batch[:0]
		return err
	}
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	walk := func(path string, e fs.DirEntry, err error) error {
		if err := errors.Join(err, working.Err()); err != nil {
			return err
		}
		name, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		id, err := job.ParseID(name)
		if e.IsDir() || !isSegment || err != nil {
			return nil
		}
		group.Go(func() error {
			what, err := j.reread(id)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				out.Problems = append(out.Problems, fmt.Errorf("%s: %w", path, err))
				return nil
			}
			batch = append(batch, what)
			if len(batch) == cap(batch) {
				return flush()
			}
			return nil
		})
		return nil
	}
	for _, dir := range []string{"jobs", "open"} {
		dir = filepath.Join(j.dir, dir)
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := filepath.WalkDir(dir, walk); err != nil {
			return out, fmt.Errorf("make the list of jobs anew: %w", err)
		}
	}
	if err := group.Wait(); err != nil {
		return out, fmt.Errorf("make the list of jobs anew: %w", err)
	}
	if err := errors.Join(flush(), ctx.Err(), j.cat.forget(ctx, j.exists), j.cat.unhear(ctx)); err != nil {
		return out, fmt.Errorf("make the list of jobs anew: %w", err)
	}
	j.heard.Store(0)
	j.hear(ctx)
	if j.scratch == "" {
		removeOld(j.dir)
	}
	return out, j.cat.setComplete(ctx)
}

// removeOld removes the lists of older versions. They miss what was recorded
// since; an older program makes its own anew.
func removeOld(dir string) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(filepath.Join(dir, "catalogue-1.db"+suffix)) // it only takes space
	}
}

// exists reports whether there may be a segment of a job, readable or not.
func (j *Journal) exists(id job.ID) bool {
	for _, path := range []string{j.openPath(id), j.shelfPath(id)} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}
