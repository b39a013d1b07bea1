package job

import (
	"cmp"
	"slices"
	"time"
)

// Act is something that somebody did, in a list of everything that was done: a job
// that was begun, or what else a ledger tells.
type Act struct {
	At    time.Time `json:"at" ts_type:"string"`
	By    string    `json:"by"`              // who: user@laptop
	Login string    `json:"login,omitempty"` // that shipped it, or that did it in the archive, as the server knows it
	What  string    `json:"what"`            // job, event (something that was done and recorded as a job), or an EntryKind
	Host  string    `json:"host"`            // "" is the machine of whoever did it
	Job   ID        `json:"job,omitempty"`   // that it is about
	State State     `json:"state,omitempty"` // of a job
	Text  string    `json:"text"`            // the command, the note, the reason, or what was set
	Count int       `json:"count,omitempty"` // how many of the same are told as one, such as records that were removed; else left out
}

// Everyday reports whether entries of a kind are told by the jobs that they are
// about.
func (k EntryKind) Everyday() bool { return k == EntryBegin || k == EntrySeal || k == EntryAdopt }

// Newest merges lists of acts, each newest first, into one of about limit. It ends
// between two moments, so that the next list can begin before the last of this one.
func Newest(limit int, lists ...[]Act) (list []Act, more bool) {
	list = slices.Concat(lists...)
	slices.SortStableFunc(list, func(a, b Act) int { return b.At.Compare(a.At) })
	if len(list) <= limit {
		return list, false
	}
	moment := func(i int) int64 { return list[i].At.UnixMilli() }
	cut := limit
	for cut > 0 && moment(cut-1) == moment(limit) {
		cut--
	}
	return list[:cmp.Or(cut, limit)], true
}

// Act is what a job is in such a list.
func (j Job) Act() Act {
	a := Act{At: j.QueuedAt, By: j.Operator, What: "job", Host: j.Host, Job: j.ID, State: j.State, Text: j.Title()}
	if j.Event {
		a.What = "event"
	}
	return a
}
