package journal

import (
	"context"
	"fmt"
	"io"

	"vmorchestrator/internal/job"
)

// ExportReplica writes the record of any installation in the format Bundle, from
// its replica and what the archive has of that installation's ledger. It is verified
// first: what Import would refuse is not written.
func (j *Journal) ExportReplica(ctx context.Context, id job.ID, installation string, ledger []job.Entry, w io.Writer) error {
	if err := j.exportReplica(ctx, id, installation, ledger, w); err != nil {
		return fmt.Errorf("export job %s: %w", id, err)
	}
	return nil
}

func (j *Journal) exportReplica(ctx context.Context, id job.ID, installation string, ledger []job.Entry, w io.Writer) error {
	r, err := j.ReplicaReader(id)
	if err != nil {
		return err
	}
	defer r.Close()
	head := bundleHead{Bundle: bundleFormat, Installation: installation, Job: id}
	sealed := false
	for _, e := range ledger {
		s, err := e.Statement()
		if err != nil {
			return err
		}
		sealed = sealed || s.Job == id && sealing(s.Kind)
		head.Ledger = append(head.Ledger, signed(e))
	}
	x, err := r.indexed()
	if err == nil && x.seal != nil {
		if _, _, err = j.inspect(r.f, head); err == nil && !sealed {
			err = fmt.Errorf("%w: the ledger of its installation says nothing of its end", job.ErrInvalid)
		}
		if err != nil {
			return job.WithHint(err, "See what the archive has: vmo verify --archive "+string(id))
		}
	}
	return r.bundle(ctx, head, w)
}
