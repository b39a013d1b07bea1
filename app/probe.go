//go:build probe

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/wailsapp/wails/v2/pkg/runtime"
)

// The probe lets a test look into the real window, which no web driver can
// reach: it evaluates JavaScript in the page for whoever posts it to the unix
// socket VMO_PROBE. It exists only in builds with the tag probe.
var probing struct {
	sync.Mutex
	next    int
	waiting map[int]chan string
}

func (a *App) probe(ctx context.Context) {
	l, err := net.Listen("unix", os.Getenv("VMO_PROBE"))
	if err != nil {
		panic("a build with the tag probe needs VMO_PROBE, the path of a socket: " + err.Error())
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		script, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		answer := make(chan string, 1)
		probing.Lock()
		if probing.waiting == nil {
			probing.waiting = map[int]chan string{}
		}
		probing.next++
		id := probing.next
		probing.waiting[id] = answer
		probing.Unlock()
		runtime.WindowExecJS(ctx, fmt.Sprintf(`(async () => {
			let answer;
			try { answer = { value: await (async () => { %s })() }; } catch (e) { answer = { error: String(e) }; }
			await fetch('/probe/%d', { method: 'POST', body: JSON.stringify(answer) });
		})()`, script, id))
		select {
		case text := <-answer:
			io.WriteString(w, text)
		case <-r.Context().Done():
		}
	}))
}

// probed takes the answers of the page.
func probed(w http.ResponseWriter, r *http.Request) bool {
	var id int
	if n, err := fmt.Sscanf(r.URL.Path, "/probe/%d", &id); n != 1 || err != nil {
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		body, _ = json.Marshal(map[string]string{"error": err.Error() + strconv.Itoa(id)})
	}
	probing.Lock()
	answer := probing.waiting[id]
	delete(probing.waiting, id)
	probing.Unlock()
	if answer != nil {
		answer <- string(body)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
