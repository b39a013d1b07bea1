package remote

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/remote/knownhosts"
)

// hostKeyAsked is a question that the operator has before them, on behalf of
// every connection that sees the same key.
type hostKeyAsked struct {
	done chan struct{}
	no   error // after done: why the key was not accepted; nil: look again
}

// ask has the operator decide about an unknown key. The first connection to see
// it asks; the others wait for its answer. With again the files have to be looked
// at once more.
func (k *hopKeys) ask(r knownhosts.Result) (again bool, err error) {
	seen := shownKey{k.query.Name(), ssh.FingerprintSHA256(r.Key)}
	asked, mine := k.all.begin(seen)
	switch {
	case asked == nil:
		return false, nil // it was accepted before
	case k.prompts.HostKey == nil || k.o.Yes("BatchMode"):
		if mine {
			k.all.end(seen, asked)
		}
		return false, k.refuseUnknown(r, "and there is nobody to ask", ErrRefused)
	case !mine:
		if err := k.await(asked); err != nil {
			return false, err
		}
		if asked.no != nil {
			return false, k.refuseUnknown(r, "and was not accepted", asked.no)
		}
		return true, nil
	}
	defer k.all.end(seen, asked)
	// It may have been accepted between the look into the files and now.
	if now, err := k.judge(r.Key); err != nil || now.Status != knownhosts.IsUnknown {
		return true, nil
	}
	yes, err := k.prompts.HostKey(k.ctx, k.question(r))
	switch {
	case k.ctx.Err() != nil: // this connection is given up; that says nothing about the key
		return false, context.Cause(k.ctx)
	case err == nil && yes:
		if k.keep(r.Key, "asked") == 0 {
			k.all.keepInMind(seen)
		}
		return false, nil
	case err == nil:
		err = ErrRefused
	}
	asked.no = err
	return false, k.refuseUnknown(r, "and was not accepted", err)
}

// await waits for an answer that another connection has asked for.
func (k *hopKeys) await(asked *hostKeyAsked) error {
	if k.prompts.waiting != nil {
		defer k.prompts.waiting()()
	}
	select {
	case <-asked.done:
		return nil
	case <-k.ctx.Done():
		return context.Cause(k.ctx)
	}
}

// begin returns the question about a key, and whether it is the caller's to ask;
// nil when the key was accepted already.
func (h *hostKeys) begin(seen shownKey) (asked *hostKeyAsked, mine bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inMind[seen] {
		return nil, false
	}
	if asked := h.asking[seen]; asked != nil {
		return asked, false
	}
	asked = &hostKeyAsked{done: make(chan struct{})}
	h.asking[seen] = asked
	return asked, true
}

func (h *hostKeys) end(seen shownKey, asked *hostKeyAsked) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.asking, seen)
	close(asked.done)
}

// keepInMind accepts a key for as long as the program runs: there was no file to
// keep it, and a connection that is made again must not ask again.
func (h *hostKeys) keepInMind(seen shownKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inMind[seen] = true
}

// maxOthers bounds under how many other names a key is shown.
const maxOthers = 8

func (k *hopKeys) question(r knownhosts.Result) HostKeyQuestion {
	q := HostKeyQuestion{Hop: k.hop, Type: r.Key.Type(), Fingerprint: ssh.FingerprintSHA256(r.Key), File: k.file(), Others: []string{}}
	others := k.files.Read().Others(r.Key)
	for i, e := range others {
		if i == maxOthers {
			q.Others = append(q.Others, fmt.Sprintf("and %d more", len(others)-i))
			break
		}
		hosts := clean(e.Hosts)
		if strings.HasPrefix(hosts, "|") {
			hosts = "a hashed name"
		}
		q.Others = append(q.Others, fmt.Sprintf("%s (%s)", hosts, e.Place))
	}
	return q
}
