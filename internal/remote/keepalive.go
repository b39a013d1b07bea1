package remote

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// keepalive is how a link finds out that the other side is gone. Without it a
// request on a connection whose packets get lost would wait for ever.
type keepalive struct {
	every time.Duration // ServerAliveInterval
	count int           // ServerAliveCountMax
	now   chan struct{} // ask at once
}

// watched notes when something arrived: a connection that carries data is alive,
// also when the answer to a keepalive waits behind that data.
type watched struct {
	net.Conn
	last    atomic.Int64
	onClose func() // gives back what the connection runs through; may be nil
}

func (w *watched) Close() error {
	if w.onClose != nil {
		defer w.onClose()
	}
	return w.Conn.Close()
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.last.Store(time.Now().UnixNano())
	}
	return n, err
}

// probeTimeout is how long an answer may take after the network has changed.
const probeTimeout = 5 * time.Second

// keepAlive asks for a sign of life after each interval, and closes the link
// when nothing arrived for as many intervals as the configuration says.
func (l *link) keepAlive() {
	if l.master() != nil {
		return // ssh has its own, and may die of ours
	}
	answers := make(chan time.Duration, 1)
	waiting := false
	var asked time.Time
	request := func() {
		waiting, asked = true, time.Now()
		l.run(func() {
			if _, _, err := l.client.SendRequest("keepalive@openssh.com", true, nil); err == nil {
				answers <- time.Since(asked)
			}
		})
	}
	tick := time.NewTicker(l.alive.every)
	defer tick.Stop()
	var hurry <-chan time.Time
	request() // the first one measures
	for {
		select {
		case <-l.dead:
			return
		case took := <-answers:
			waiting, hurry = false, nil
			l.host.latency(took)
			continue
		case <-l.alive.now:
			if !waiting {
				request()
			}
			hurry = time.After(min(probeTimeout, l.alive.every))
			continue
		case <-hurry:
			if l.arrivedSince(asked) {
				hurry = nil
				continue
			}
			l.close(fmt.Errorf("no answer from the server after the network changed"))
			return
		case <-tick.C:
		}
		silence := time.Since(time.Unix(0, l.conn.last.Load()))
		switch {
		case !waiting:
			request()
		case silence > time.Duration(l.alive.count)*l.alive.every-l.alive.every/2:
			l.close(fmt.Errorf("no answer from the server for %v", silence.Round(time.Second/10)))
			return
		}
	}
}

func (l *link) arrivedSince(t time.Time) bool { return l.conn.last.Load() > t.UnixNano() }

func (l *link) probe() {
	select {
	case l.alive.now <- struct{}{}:
	default: // one is on its way
	}
}
