package engine

import (
	"slices"
	"sync"
)

// queue hands out places for running jobs in the order in which they are asked
// for.
type queue struct {
	mu      sync.Mutex
	free    int
	waiting []chan struct{}
}

func newQueue(places int) *queue { return &queue{free: places} }

// join returns a channel that is closed when there is a place.
func (q *queue) join() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	place := make(chan struct{})
	if q.free > 0 {
		q.free--
		close(place)
	} else {
		q.waiting = append(q.waiting, place)
	}
	return place
}

// leave gives a place back, or gives up waiting for it.
func (q *queue) leave(place <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.IndexFunc(q.waiting, func(c chan struct{}) bool { return c == place }); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return
	}
	if len(q.waiting) == 0 {
		q.free++
		return
	}
	close(q.waiting[0])
	q.waiting = q.waiting[1:]
}
