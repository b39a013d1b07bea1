//go:build dev

package app

import (
	"net/http"
	"net/url"
	_ "unsafe" // for go:linkname

	"github.com/gorilla/websocket"
	_ "github.com/wailsapp/wails/v2/pkg/application" // links the package that upgrader lives in
)

// extraConnect is what the page may connect to besides its own origin: the web
// sockets of Wails' and Vite's development servers.
const extraConnect = " ws://localhost:* ws://127.0.0.1:*"

// The development server of Wails accepts a web socket from a page of any origin
// and hands what it says to every bound method, so that any page in the
// operator's browser could start jobs (https://github.com/wailsapp/wails/pull/6036).
// It offers no option, hence this reach into its package. Production builds have
// neither that server nor this file.
//
//go:linkname upgrader github.com/wailsapp/wails/v2/internal/frontend/devserver.upgrader
var upgrader websocket.Upgrader

func init() {
	upgrader.CheckOrigin = func(r *http.Request) bool {
		origin, err := url.Parse(r.Header.Get("Origin"))
		return err == nil && localHost(r.Host) && origin.Host == r.Host
	}
}
