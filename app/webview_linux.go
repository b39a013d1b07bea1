//go:build webkit2_41 && cgo

package app

/*
#cgo pkg-config: webkit2gtk-4.1
// Declared here: the header takes seconds to compile.
extern unsigned webkit_get_major_version(void);
extern unsigned webkit_get_minor_version(void);
extern unsigned webkit_get_micro_version(void);
*/
import "C"

import "fmt"

// webView is the version of WebKitGTK that is used, which is not the one that this
// was built with.
func webView() string {
	return fmt.Sprintf("WebKitGTK %d.%d.%d", C.webkit_get_major_version(), C.webkit_get_minor_version(), C.webkit_get_micro_version())
}
