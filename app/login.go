package app

import (
	"context"

	"vmorchestrator/internal/engine"
)

// AdoptLogin gives the window the environment of the login shell when a desktop
// started it. To be called before Wails: GTK reads the environment in its threads.
func AdoptLogin() { engine.AdoptLogin(context.Background()) }
