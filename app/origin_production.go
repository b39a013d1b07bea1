//go:build !dev

package app

// extraConnect is what the page may connect to besides its own origin.
const extraConnect = ""
