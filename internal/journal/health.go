package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Health is how a journal stands.
type Health struct {
	Jobs   int
	Free   int64 // bytes on its disk
	SQLite string
}

// Health looks at the catalogue and the disk. It fails when SQLite is older
// than 3.51.3, which could lose committed rows of the catalogue when two
// processes write at the same instant (https://sqlite.org/wal.html#walresetbug).
func (j *Journal) Health(ctx context.Context) (Health, error) {
	var h Health
	if err := j.cat.db.QueryRowContext(ctx, `SELECT count(*), sqlite_version() FROM job`).Scan(&h.Jobs, &h.SQLite); err != nil {
		return h, fmt.Errorf("read the catalogue: %w", err)
	}
	h.Free, _, _ = diskSpace(j.dir)
	if !atLeast(h.SQLite, 3, 51, 3) {
		return h, fmt.Errorf("SQLite %s can lose rows of the catalogue: 3.51.3 or later is needed", h.SQLite)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return h, errors.Join(j.checkSpace(), j.trouble)
}

func atLeast(version string, want ...int) bool {
	parts := strings.Split(version, ".")
	for i, w := range want {
		if i >= len(parts) {
			return false
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < w {
			return false
		}
		if n > w {
			return true
		}
	}
	return true
}
