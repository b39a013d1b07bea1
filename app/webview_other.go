//go:build !linux || !webkit2_41 || !cgo

package app

// webView is not known: the system brings it, and updates it with itself.
func webView() string { return "" }
