// Command winres writes what Windows shows of a program: icon, version and
// manifest. The go command links the files that it writes next to main.go.
//
//	winres -version 1.2.3.4 -shown v1.2.3 -icons FOLDER -name "VM Orchestrator" -gui -arch amd64 FILE.syso
//	winres -icons FOLDER FILE.ico
package main

import (
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/tc-hib/winres"
	"github.com/tc-hib/winres/version"
)

// appIcon is where Wails looks for the icon of its window.
const appIcon = winres.ID(3)

var (
	number = flag.String("version", "0.0.0.0", "version, as four numbers")
	shown  = flag.String("shown", "dev", "version, as people read it")
	name   = flag.String("name", "", "what the program is called")
	icons  = flag.String("icons", "", "folder with 16.png, 32.png and so on")
	arch   = flag.String("arch", "amd64", "amd64 or arm64")
	gui    = flag.Bool("gui", false, "it has a window")
)

func main() {
	flag.Parse()
	if err := write(flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "winres:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	icon, err := readIcon(*icons)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if strings.HasSuffix(path, ".ico") {
		if err := icon.SaveICO(file); err != nil {
			return err
		}
		return file.Close()
	}
	var set winres.ResourceSet
	if err := set.SetIcon(appIcon, icon); err != nil {
		return err
	}
	var info version.Info
	info.SetFileVersion(*number)
	info.SetProductVersion(*number)
	for key, value := range map[string]string{
		version.ProductName: "VM Orchestrator", version.FileDescription: *name,
		version.ProductVersion: *shown, version.FileVersion: *shown,
		version.LegalCopyright: "Copyright © 2026 The VM Orchestrator authors",
	} {
		if err := info.Set(version.LangDefault, key, value); err != nil {
			return err
		}
	}
	set.SetVersionInfo(info)
	manifest := winres.AppManifest{ExecutionLevel: winres.AsInvoker, Compatibility: winres.Win10AndAbove, LongPathAware: true}
	if *gui {
		manifest.DPIAwareness = winres.DPIPerMonitorV2
		manifest.UseCommonControlsV6 = true
	}
	set.SetManifest(manifest)
	if err := set.WriteObject(file, winres.Arch(*arch)); err != nil {
		return err
	}
	return file.Close()
}

func readIcon(dir string) (*winres.Icon, error) {
	var images []image.Image
	for _, size := range []string{"16", "24", "32", "48", "64", "128", "256"} {
		file, err := os.Open(filepath.Join(dir, size+".png"))
		if err != nil {
			return nil, err
		}
		img, err := png.Decode(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		images = append(images, img)
	}
	return winres.NewIconFromImages(images)
}
