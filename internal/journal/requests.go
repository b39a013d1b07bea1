package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vmorchestrator/internal/job"
)

// Request is what another process asks of the owner of a job.
type Request struct {
	Job  job.ID `json:"job"`
	What string `json:"what"` // one of the constants
	By   string `json:"by"`   // operator
}

// What can be asked.
const (
	RequestCancel     = "cancel"
	RequestKill       = "kill"
	RequestUnrecorded = "unrecorded"
)

// Ask leaves a request for the owner of a job, which looks for it with Asked.
func (j *Journal) Ask(q Request) error {
	if j.readOnly != nil {
		return fmt.Errorf("ask the owner of job %s: %w", q.Job, j.readOnly)
	}
	data, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("ask the owner of job %s: %w", q.Job, err)
	}
	path := filepath.Join(j.dir, "requests", string(q.Job)+"."+q.What)
	temp := path + "." + string(job.NewID()) + ".new"
	err = os.WriteFile(temp, data, 0o600)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		// A full disk is when a job most needs to be stopped: the name says what
		// matters.
		_ = os.Remove(temp)
		var f *os.File
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			err = f.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("ask the owner of job %s: %w", q.Job, err)
	}
	return nil
}

// Asked takes the requests for jobs of this process. It costs one look at a
// folder that is nearly always empty.
func (j *Journal) Asked() []Request {
	entries, err := os.ReadDir(filepath.Join(j.dir, "requests"))
	if err != nil {
		return nil
	}
	var asked []Request
	for _, e := range entries {
		id, what, _ := strings.Cut(e.Name(), ".")
		if strings.HasSuffix(e.Name(), ".new") {
			continue
		}
		mine := j.record(job.ID(id)) != nil
		if !mine && !j.orphaned(job.ID(id)) {
			continue
		}
		path := filepath.Join(j.dir, "requests", e.Name())
		data, err := os.ReadFile(path)
		if err != nil || os.Remove(path) != nil || !mine {
			continue
		}
		q := Request{Job: job.ID(id), What: what}
		var written Request
		if json.Unmarshal(data, &written) == nil {
			q.By = written.By
		}
		asked = append(asked, q)
	}
	return asked
}

// orphaned reports whether a request is for a job that has ended.
func (j *Journal) orphaned(id job.ID) bool {
	_, err := os.Stat(j.openPath(id))
	return errors.Is(err, fs.ErrNotExist)
}
