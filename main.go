// Command vm-orchestrator is the window. Its engine, and what it can do without
// a window, is in cmd/vmo.
package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"

	"github.com/wailsapp/wails/v2"
	"github.com/wailsapp/wails/v2/pkg/logger"
	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/options/assetserver"
	"github.com/wailsapp/wails/v2/pkg/options/linux"
	"github.com/wailsapp/wails/v2/pkg/options/mac"

	"vmorchestrator/app"
)

//go:embed all:frontend/dist
var assets embed.FS

//go:embed build/appicon.png
var icon []byte

// version is set when it is built: -ldflags "-X main.version=v1.2.3".
var version = "dev"

func main() {
	if code, asked := app.Askpass(); asked {
		os.Exit(code)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "vm-orchestrator:", err)
		os.Exit(1)
	}
}

func run() error {
	page, err := fs.Sub(assets, "frontend/dist")
	if err != nil {
		return err
	}
	// The DMABUF renderer of WebKitGTK leaves the window blank on several drivers
	// (https://github.com/wailsapp/wails/issues/2977).
	if _, set := os.LookupEnv("WEBKIT_DISABLE_DMABUF_RENDERER"); !set {
		os.Setenv("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
	}
	app.AdoptLogin()
	if there, err := app.HandOver(os.Args[1:]); there {
		return err
	}
	window := app.New(version, os.Args[1:])
	return wails.Run(&options.App{
		Title: "VM Orchestrator", Width: 1280, Height: 800, MinWidth: 720, MinHeight: 480,
		BackgroundColour: options.NewRGB(24, 26, 31),
		AssetServer:      &assetserver.Options{Assets: page, Middleware: window.Output.Middleware},
		OnStartup:        window.Startup,
		OnBeforeClose:    window.BeforeClose,
		OnShutdown:       window.Shutdown,
		Bind:             []any{window.Jobs, window.Projects, window.Hosts, window.Prompts, window.Archive, window.Links, window.Settings, window.Diagnostics, window.Updates},
		EnumBind:         []any{app.Events},
		ErrorFormatter:   app.FormatError,
		LogLevel:         logger.WARNING, LogLevelProduction: logger.ERROR,
		// Not DisableWebViewDrop: where it does anything, nothing can be dropped at all. The page refuses what is no file.
		DragAndDrop: &options.DragAndDrop{EnableFileDrop: true},
		Mac:         &mac.Options{OnUrlOpen: window.OpenLink},
		Linux: &linux.Options{
			Icon: icon, ProgramName: "vm-orchestrator",
			// Never is what Wails takes without Linux options; a struct alone means Always.
			WebviewGpuPolicy: linux.WebviewGpuPolicyNever,
		},
	})
}
