package app

import (
	"context"
	"time"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Event names what the page can listen to. Every event may be lost or come
// twice: it is a hint to ask again.
type Event string

// The events.
const (
	EventJobs     Event = "jobs"     // Hints
	EventProjects Event = "projects" // nothing: read the lists again
	EventHosts    Event = "hosts"    // nothing: read the list again
	EventPrompt   Event = "prompt"   // nothing: ask what is pending
	EventArchive  Event = "archive"  // nothing: ask how it stands
	EventTeam     Event = "team"     // News, while the page wants them
	EventLink     Event = "link"     // nothing: ask for the next one
	EventUpdates  Event = "updates"  // nothing: ask what was found
	EventOpened   Event = "opened"   // Opened
	EventFailed   Event = "failed"   // Failure of something that no call asked for
)

// Hints says which jobs have something new.
type Hints struct {
	Jobs []Hint `json:"jobs"`
	More bool   `json:"more"` // others may have too: ask for the list
}

// Hint is where one job stands.
type Hint struct {
	ID      job.ID    `json:"id"`
	State   job.State `json:"state"`
	Seq     uint64    `json:"seq"`
	Lines   uint64    `json:"lines"`
	Bytes   uint64    `json:"bytes"`
	Stalled string    `json:"stalled"`
}

// News says of which jobs the archive got something, or whether there is anything
// to be got at all.
type News struct {
	Jobs []job.ID `json:"jobs"`
	More bool     `json:"more"` // others may have too: ask for what is shown
}

// Opened says that a folder was dropped on the window or given as argument.
type Opened struct {
	Dir string `json:"dir"`
}

const (
	// feedEvery bounds the hints to what costs the page nothing it can feel. It is
	// less than a frame, because beside a job that floods, a key echoes only
	// after the next hint: with 16 ms the median echo was 20 ms, with 5 ms 13 ms.
	feedEvery = 5 * time.Millisecond
	// hostsEvery is for a list that is read as a whole.
	hostsEvery = 250 * time.Millisecond
	// mostHints keeps an event below 4 KB: larger scripts stay in the memory of
	// WebKitGTK for long (https://github.com/wailsapp/wails/issues/4587).
	mostHints = 20
)

// feed turns the engine's changes into events: of jobs at most one each feedEvery,
// of hosts at most one each hostsEvery.
func (a *App) feed(ctx context.Context, e *engine.Engine) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	var hosts <-chan time.Time // when the hosts are due; nil while they are as the page knows them
	var told time.Time         // when they were last
	for {
		select {
		case <-ctx.Done():
			return
		case <-hosts:
			runtime.EventsEmit(ctx, string(EventHosts), struct{}{})
			hosts, told = nil, time.Now()
			continue
		case <-e.Changes().Ring():
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		if e.Changes().TakePrompts() {
			runtime.EventsEmit(ctx, string(EventPrompt), struct{}{})
		}
		if e.Changes().TakeArchive() {
			runtime.EventsEmit(ctx, string(EventArchive), struct{}{})
		}
		if e.Changes().TakeHosts() && hosts == nil {
			hosts = time.After(hostsEvery - time.Since(told))
		}
		if n := news(e); n.More || len(n.Jobs) > 0 {
			runtime.EventsEmit(ctx, string(EventTeam), n)
		}
		if h := hints(ctx, e); h.More || len(h.Jobs) > 0 {
			runtime.EventsEmit(ctx, string(EventJobs), h)
		}
		pause.Reset(feedEvery)
	}
}

func hints(ctx context.Context, e *engine.Engine) Hints {
	ids, list := e.Changes().Take()
	out := Hints{Jobs: []Hint{}, More: list}
	for _, id := range ids {
		j, err := e.Job(ctx, id)
		if err != nil || len(out.Jobs) == mostHints {
			out.More = true // the list says what this event cannot
			continue
		}
		out.Jobs = append(out.Jobs, Hint{j.ID, j.State, j.Chunks, j.Lines, j.Bytes, j.Stalled})
	}
	return out
}

func news(e *engine.Engine) News {
	ids, all := e.Changes().TakeTeam()
	return News{Jobs: append([]job.ID{}, ids[:min(len(ids), mostHints)]...), More: all || len(ids) > mostHints}
}

// Events lists the event names for the generated bindings.
var Events = []struct {
	Value  Event
	TSName string
}{
	{EventJobs, "JOBS"}, {EventProjects, "PROJECTS"}, {EventHosts, "HOSTS"}, {EventPrompt, "PROMPT"}, {EventArchive, "ARCHIVE"}, {EventTeam, "TEAM"}, {EventLink, "LINK"}, {EventUpdates, "UPDATES"}, {EventOpened, "OPENED"}, {EventFailed, "FAILED"},
}
