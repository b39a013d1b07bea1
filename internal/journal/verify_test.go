package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// signing lets a journal sign with a key of its own.
func signing(t *testing.T) func(*Config) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) {
		c.Key = func(context.Context, string) (Key, error) { return Key{Private: private, Kept: "a test"}, nil }
	}
}

// verify returns the verdict on the ledger and those on records.
func verify(t *testing.T, e Evidence) (ledger Verdict, records map[job.ID]Verdict) {
	t.Helper()
	records = map[job.ID]Verdict{}
	err := Verify(t.Context(), e, func(job.ID) bool { return true }, func(v Verdict) error {
		if v.Job == "" {
			ledger = v
		} else {
			records[v.Job] = v
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return ledger, records
}

// want fails unless a verdict is the given one and says why in these words.
func want(t *testing.T, v Verdict, result Result, words string) {
	t.Helper()
	if v.Result != result || !strings.Contains(strings.Join(v.Findings, "\n"), words) {
		t.Errorf("verdict %+v; want %s, saying %q", v, result, words)
	}
}

// whole reads all of a record.
func whole(t *testing.T, j *Journal, id job.ID) job.Part {
	t.Helper()
	p, err := j.Parts(id)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	part, err := p.Part(0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// forge replaces a record by one with other contents, whose file is sound: every
// checksum is right. With relink every hash in it is right as well.
func forge(t *testing.T, j *Journal, id job.ID, relink bool, change func(*job.Part)) {
	t.Helper()
	p := whole(t, j, id)
	change(&p)
	if relink {
		chain := sha256.Sum256(p.Opening.Begin)
		for i := range p.Blocks {
			b := &p.Blocks[i]
			b.Number = uint32(i)
			raws, err := decompress(b.Data, b.RawLen)
			if err != nil {
				t.Fatal(err)
			}
			b.Digest = sha256.Sum256(raws)
			m := markOf(*b)
			m.link(chain)
			chain = m.chain
			b.Chain = chain
		}
	}
	r, err := j.Replica(p.Opening)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Blocks { // whatever stands where
		b := p.Blocks[i]
		m := markOf(b)
		m.fileOffset, m.prev = uint64(r.size), r.prev
		frame := appendFrame(nil, r.seed, kindBlock, m.lastSeq, m.lastAt, append(m.append(nil), b.Data...))
		m.fileLen = uint32(len(frame))
		r.prev = uint64(r.size) + uint64(len(frame))
		if err := r.write(appendFrame(frame, r.seed, kindMark, m.lastSeq, m.lastAt, m.append(nil))); err != nil {
			t.Fatal(err)
		}
		r.marks, r.chain, r.seq, r.at = append(r.marks, m), m.chain, m.lastSeq, m.lastAt
	}
	p.Blocks = nil
	if err := errors.Join(r.Add(p), r.Close(), os.Rename(j.replicaPath(id), j.shelfPath(id))); err != nil {
		t.Fatal(err)
	}
}

// edit changes one byte of the output in a block.
func edit(t *testing.T, b *job.Block) {
	t.Helper()
	raws, err := decompress(b.Data, b.RawLen)
	if err != nil {
		t.Fatal(err)
	}
	raws[headerSize] ^= 1
	z, err := newEncoder()
	if err != nil {
		t.Fatal(err)
	}
	b.Data = z.EncodeAll(raws, nil)
}

func TestVerify_FindsWhatWasDoneToARecord(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		do     func(t *testing.T, j *Journal, id job.ID)
		result Result
		words  string
	}{
		{"nothing", func(*testing.T, *Journal, job.ID) {}, Intact, ""},
		{"compressed", func(t *testing.T, j *Journal, id job.ID) {
			if err := j.Compact(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}, Intact, ""},
		{"one byte of output edited", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, false, func(p *job.Part) { edit(t, &p.Blocks[1]) })
		}, Tampered, "edited: the output in block 1"},
		{"one byte edited and every hash of the file made right again", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, true, func(p *job.Part) { edit(t, &p.Blocks[1]) })
		}, Tampered, "edited: how it ended, or what comes before"},
		{"a block removed", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, false, func(p *job.Part) { p.Blocks = slices.Delete(p.Blocks, 1, 2) })
		}, Tampered, "removed or reordered: block 2"},
		{"a block removed and the chain made right again", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, true, func(p *job.Part) { p.Blocks = slices.Delete(p.Blocks, 1, 2) })
		}, Tampered, "truncated: it has 3 blocks"},
		{"two blocks swapped", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, false, func(p *job.Part) { p.Blocks[0], p.Blocks[1] = p.Blocks[1], p.Blocks[0] })
		}, Tampered, "removed or reordered: block 1"},
		{"the end cut off and sealed anew", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, true, func(p *job.Part) { p.Blocks = p.Blocks[:1] })
		}, Tampered, "truncated"},
		{"another ending", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, true, func(p *job.Part) { p.End.Body = bytes.Replace(p.End.Body, []byte("succeeded"), []byte("cancelled"), 1) })
		}, Tampered, "edited: how it ended"},
		{"another start", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, true, func(p *job.Part) { p.Start.Body = []byte(`{"at":"2001-01-01T00:00:00Z","pid":7}`) })
		}, Tampered, "when and as what it started"},
		{"another command", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, true, func(p *job.Part) { p.Opening.Begin = bytes.Replace(p.Opening.Begin, []byte("true"), []byte("evil"), 1) })
		}, Tampered, "edited: how it began"},
		{"a block emptied", func(t *testing.T, j *Journal, id job.ID) {
			forge(t, j, id, false, func(p *job.Part) { p.Blocks[1].Data = nil })
		}, Tampered, "the ledger does not say so"},
		{"the record deleted", func(t *testing.T, j *Journal, id job.ID) {
			if err := os.Remove(j.shelfPath(id)); err != nil {
				t.Fatal(err)
			}
		}, Tampered, "the record is gone"},
		{"the record removed as it should be", func(t *testing.T, j *Journal, id job.ID) {
			if err := j.Remove(id, "ann@laptop", "older than 90 days"); err != nil {
				t.Fatal(err)
			}
		}, Intact, "removed by ann@laptop"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			j := open(t, t.TempDir(), signing(t))
			id, _, _ := sealed3(t, j)
			other, _, _ := sealed3(t, j)
			test.do(t, j, id)
			ledger, records := verify(t, j.Evidence())
			want(t, ledger, Intact, "")
			want(t, records[id], test.result, test.words)
			want(t, records[other], Intact, "")
		})
	}
}

// sealed3 makes an ended job with three blocks or more.
func sealed3(t *testing.T, j *Journal) (job.ID, []byte, job.Job) {
	t.Helper()
	r := begin(t, j)
	output := noise(7, 3*blockSize)
	write(t, r, job.Stdout, output)
	write(t, r, job.Stderr, []byte("done\n"))
	return r.ID(), output, finish(t, r)
}

func TestVerify_ARecordThatTheLedgerDoesNotKnow(t *testing.T) {
	t.Parallel()
	j, elsewhere := open(t, t.TempDir(), signing(t)), open(t, t.TempDir(), signing(t))
	sealed3(t, j)
	id, _, _ := sealed3(t, elsewhere)
	data, err := os.ReadFile(elsewhere.shelfPath(id))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(j.shelfPath(id)), 0o700)
	}
	if err == nil {
		err = os.WriteFile(j.shelfPath(id), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, records := verify(t, j.Evidence())
	want(t, records[id], Tampered, "the ledger does not know this record")
}

func TestVerify_ALivingRecordIsNoAlarm(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), signing(t))
	r := begin(t, j)
	write(t, r, job.Stdout, noise(1, 2*blockSize))
	_, records := verify(t, j.Evidence())
	want(t, records[r.ID()], Intact, "")
	if got := records[r.ID()].State; got != "running" {
		t.Errorf("state %q, want running", got)
	}
	finish(t, r)
}

func TestVerify_FindsWhatWasDoneToTheLedger(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		do    func(lines [][]byte) [][]byte
		words string
	}{
		{"an entry edited", func(l [][]byte) [][]byte {
			l[4] = bytes.Replace(l[4], []byte(`"blocks":4`), []byte(`"blocks":2`), 1)
			return l
		}, "does not fit"},
		{"an entry removed", func(l [][]byte) [][]byte { return slices.Delete(l, 2, 3) }, "stands where entry"},
		{"the beginning removed", func(l [][]byte) [][]byte { return l[2:] }, "stands where entry 1"},
		{"two entries swapped", func(l [][]byte) [][]byte { l[1], l[3] = l[3], l[1]; return l }, "stands where entry"},
		{"the end cut off", func(l [][]byte) [][]byte { return l[:2] }, "its end was cut off"},
		{"a signature of something else", func(l [][]byte) [][]byte {
			body, _, _ := bytes.Cut(l[2], []byte("\t"))
			_, sig, _ := bytes.Cut(l[len(l)-1], []byte("\t"))
			l[2] = slices.Concat(body, []byte("\t"), sig)
			return l
		}, "wrong signature"},
		{"nonsense", func(l [][]byte) [][]byte { l[2] = []byte("{\t"); return l }, "cannot be read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			j := open(t, t.TempDir(), signing(t))
			for range 3 {
				sealed3(t, j)
			}
			entries, err := j.Entries(0, 100)
			if err != nil {
				t.Fatal(err)
			}
			last, err := entries[len(entries)-1].Statement()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(j.dir, ledgerName)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := test.do(bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")))
			if err := os.WriteFile(path, append(bytes.Join(lines, []byte("\n")), '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			e := j.Evidence()
			e.Witnesses = []Witness{{Who: "the archive", N: last.N, Hash: entries[len(entries)-1].Hash()}}
			ledger, _ := verify(t, e)
			want(t, ledger, Tampered, test.words)
		})
	}
}

// Whoever can write the folder can make a whole new ledger, with records that fit
// and with a key of his own. What he cannot make is the key and the memory of others.
func TestVerify_ANewLedgerIsNotTheOldOne(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), signing(t))
	sealed3(t, j)
	entries, err := j.Entries(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := entries[1].Statement() // the first signed entry introduces the key
	if err != nil || trusted.Kind != job.EntryKey {
		t.Fatalf("entry 2 is %+v, %v; want a key", trusted, err)
	}
	forged := open(t, t.TempDir(), signing(t))
	sealed3(t, forged)
	e := forged.Evidence()
	e.Key = trusted.Key
	ledger, _ := verify(t, e)
	want(t, ledger, Tampered, "never with the key of this machine")

	e = forged.Evidence()
	e.Witnesses = []Witness{{Who: "the archive", N: 2, Hash: entries[1].Hash()}}
	ledger, _ = verify(t, e)
	want(t, ledger, Tampered, "the ledger was rewritten")
}

func TestVerify_WithoutAKeyItCannotTell(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), func(c *Config) {
		c.Key = func(context.Context, string) (Key, error) { return Key{}, errors.New("no keychain") }
	})
	id, _, _ := sealed3(t, j)
	ledger, records := verify(t, j.Evidence())
	want(t, ledger, Unknown, "not signed")
	want(t, records[id], Intact, "")
}

// Whatever bit is flipped in a segment: either what is read of it is right, or
// the verdict says that something is wrong. Nothing crashes.
func TestVerify_EveryFlippedBit(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), signing(t))
	r := begin(t, j)
	write(t, r, job.Stdout, []byte("hello\nworld\n"))
	write(t, r, job.Stderr, []byte("oops\n"))
	finish(t, r)
	path := j.shelfPath(r.ID())
	segment, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range segment {
		segment[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, segment, 0o600); err != nil {
			t.Fatal(err)
		}
		segment[i] ^= 1 << (i % 8)
		_, records := verify(t, j.Evidence())
		if records[r.ID()].Result != Intact {
			continue
		}
		got, err := j.Reader(r.ID())
		if err != nil {
			t.Fatalf("byte %d: verified, and cannot be read: %v", i, err)
		}
		output, _ := readAll(t, got)
		if err := got.Close(); err != nil {
			t.Fatal(err)
		}
		if string(output) != "hello\nworld\noops\n" {
			t.Fatalf("byte %d: verified, and reads as %q", i, output)
		}
	}
}

func TestReplica_IsTheRecord(t *testing.T) {
	t.Parallel()
	from, to := open(t, t.TempDir(), signing(t)), open(t, t.TempDir(), signing(t))
	r := begin(t, from)
	p, err := from.Parts(r.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var output []byte
	more := func(n int) {
		chunk := append(noise(uint64(n), n), '\n')
		output = append(output, chunk...)
		write(t, r, job.Stdout, chunk)
		r.closeOpen() // as the keeper does every second
		part, err := p.Part(0, 1)
		if err != nil {
			t.Fatal(err)
		}
		copied, err := to.Replica(part.Opening)
		if err != nil {
			t.Fatal(err)
		}
		part, err = p.Part(copied.Next(), 1<<30)
		if err = errors.Join(err, copied.Add(part), copied.Close()); err != nil {
			t.Fatal(err)
		}
		got, _ := readAll(t, reader(t, to, r.ID()))
		if !bytes.Equal(got, output) {
			t.Fatalf("after %d bytes the replica has %d other bytes", len(output), len(got))
		}
	}
	for _, n := range []int{1, 100, 5, 3 * blockSize, 1, 20} {
		more(n)
	}
	ended := finish(t, r)
	part, err := p.Part(0, 1<<30)
	if err != nil || !part.Sealed {
		t.Fatalf("the last part: sealed %v, %v", part.Sealed, err)
	}
	copied, err := to.Replica(part.Opening)
	if err != nil {
		t.Fatal(err)
	}
	part.Blocks = part.Blocks[copied.Next():]
	if err := errors.Join(copied.Add(part), copied.Close()); err != nil {
		t.Fatal(err)
	}
	rr := reader(t, to, r.ID())
	got, _ := readAll(t, rr)
	what, err := rr.Job()
	if err != nil || !bytes.Equal(got, output) || what.State != job.Succeeded || what.Lines != ended.Lines || what.Bytes != ended.Bytes || what.Chunks != ended.Chunks {
		t.Errorf("the replica ends as %+v (%v) with %d bytes, want %+v with %d", what, err, len(got), ended, len(output))
	}
}

func TestReplica_RefusesABlockThatDoesNotFit(t *testing.T) {
	t.Parallel()
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	id, _, _ := sealed3(t, from)
	part := whole(t, from, id)
	part.Blocks[1].Lines++
	r, err := to.Replica(part.Opening)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Add(part); !errors.Is(err, ErrUnfit) || r.Next() != 1 {
		t.Errorf("Add: %v with %d blocks; want ErrUnfit and one", err, r.Next())
	}
}

// The ledger has no gaps whoever writes it, and is made whole by the next one.
func TestLedger_OfManyProcessesAndATornEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := signing(t)
	var journals []*Journal
	for range 4 {
		journals = append(journals, open(t, dir, key))
	}
	done := make(chan error)
	for _, j := range journals {
		go func() {
			var err error
			for i := range 20 {
				run := job.NewRun(job.Spec{Argv: []string{fmt.Sprint(i)}})
				r, failed := j.Begin(run.Begin("", "tester@here", run.ID.Time()))
				if failed == nil {
					_, failed = r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit})
				}
				err = errors.Join(err, failed)
			}
			done <- err
		}()
	}
	for range journals {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := journals[0].Head(); err != nil { // it knows of all of them
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ledgerName), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(`{"n":9`) // as a power cut leaves it
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	finish(t, begin(t, journals[0]))
	ledger, records := verify(t, journals[0].Evidence())
	want(t, ledger, Intact, "")
	if len(records) != 81 {
		t.Errorf("%d records in the ledger, want 81", len(records))
	}
	for _, v := range records {
		want(t, v, Intact, "")
	}
}

// A job whose owner died is sealed by the next sweep, in the ledger too.
func TestLedger_SealsLostJobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, signing(t))
	r := begin(t, j)
	write(t, r, job.Stdout, []byte("half a li"))
	j.giveUp(r) // as the system does with the lock of a process that died
	other := open(t, dir, signing(t))
	ledger, records := verify(t, other.Evidence())
	want(t, ledger, Intact, "")
	want(t, records[r.ID()], Intact, "")
	if got := records[r.ID()].State; got != "sealed" {
		t.Errorf("state %q, want sealed", got)
	}
}

// Records that are older than the ledger are taken into it as they are.
func TestLedger_AdoptsOlderRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	id, _, _ := sealed3(t, j)
	if err := os.Remove(filepath.Join(dir, ledgerName)); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, signing(t))
	ledger, records := verify(t, again.Evidence())
	want(t, ledger, Intact, "")
	want(t, records[id], Intact, "")
	if got := records[id].State; got != "adopted" {
		t.Errorf("state %q, want adopted", got)
	}
}

// A secret that was printed can be removed. What is left still verifies, is read
// in its place, and says that something was removed.
func TestSpill_LeavesARecordThatVerifies(t *testing.T) {
	t.Parallel()
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprint("compressed ", compressed), func(t *testing.T) {
			t.Parallel()
			j := open(t, t.TempDir(), signing(t))
			r := begin(t, j)
			filler := bytes.Repeat([]byte("nothing to see\n"), 5000)
			write(t, r, job.Stdout, filler)
			write(t, r, job.Stdout, []byte("password: hunter2\n"))
			write(t, r, job.Stdout, filler)
			finish(t, r)
			if compressed {
				if err := j.Compact(t.Context(), r.ID()); err != nil {
					t.Fatal(err)
				}
			}
			part := whole(t, j, r.ID()) // as the archive gave it back to this machine
			copied, err := j.Replica(part.Opening)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(copied.Add(part), copied.Close()); err != nil {
				t.Fatal(err)
			}
			done, err := j.Spill(t.Context(), r.ID(), 5001, 5001, "ann@laptop", "a password was printed")
			if err != nil || done.Bytes == 0 || done.Bytes > 2*blockSize {
				t.Fatalf("Spill: %+v, %v", done, err)
			}
			segment, err := os.ReadFile(j.shelfPath(r.ID()))
			if err != nil || bytes.Contains(segment, []byte("hunter2")) {
				t.Fatalf("the secret is still in the file, or %v", err)
			}
			if _, err := os.Stat(j.replicaPath(r.ID())); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a copy on this machine still has it: %v", err)
			}
			rr := reader(t, j, r.ID())
			output, notes := readAll(t, rr)
			if bytes.Contains(output, []byte("hunter2")) || uint64(len(output)) != uint64(2*len(filler)+18)-done.Bytes {
				t.Errorf("%d bytes are read, %d were removed", len(output), done.Bytes)
			}
			if len(notes) != 1 || notes[0].Kind != job.NoteRemoved {
				t.Errorf("events %+v, want one that says that something was removed", notes)
			}
			lines, err := rr.Lines(-1, 1)
			if err != nil || lines.Total != 10001 {
				t.Errorf("%d lines (%v), want 10001: numbers stay what they were", lines.Total, err)
			}
			ledger, records := verify(t, j.Evidence())
			want(t, ledger, Intact, "")
			want(t, records[r.ID()], Intact, "")
			if got := records[r.ID()].State; got != "emptied in part" {
				t.Errorf("state %q, want emptied in part", got)
			}
		})
	}
}

func TestReplica_TheOldestGiveWay(t *testing.T) {
	t.Parallel()
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	var paths []string
	for i := range 3 {
		id, _, _ := sealed3(t, from)
		part := whole(t, from, id)
		r, err := to.Replica(part.Opening)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Add(part), r.Close()); err != nil {
			t.Fatal(err)
		}
		path := to.replicaPath(id)
		at := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	busy, err := os.Open(paths[0]) // somebody writes it
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := lockFile(busy); err != nil {
		t.Fatal(err)
	}
	to.trimReplicas(paths[2], 1)
	for i, there := range []bool{true, false, true} {
		if _, err := os.Stat(paths[i]); (err == nil) != there {
			t.Errorf("replica %d: there %v, want %v", i, err == nil, there)
		}
	}
}
