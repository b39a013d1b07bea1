//go:build !probe

package app

import (
	"context"
	"net/http"
)

func (a *App) probe(context.Context) {}

func probed(http.ResponseWriter, *http.Request) bool { return false }
