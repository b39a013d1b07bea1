package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual pages that packages contain. Their date is
// SOURCE_DATE_EPOCH when that is set, so that they can be made again.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man FOLDER", Short: "Write the manual pages into a folder", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write the manual: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			everyCommand(root, func(cmd *cobra.Command) { cmd.Long = markdown(cmd.Long) })
			header := doc.GenManHeader{Section: "1", Source: "vmo " + version, Manual: "VM Orchestrator"}
			if err := doc.GenManTree(root, &header, args[0]); err != nil {
				return err
			}
			for _, cmd := range root.Commands() {
				if !cmd.IsAdditionalHelpTopicCommand() { // the tree leaves these out
					continue
				}
				if err := manPage(cmd, header, args[0]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func manPage(cmd *cobra.Command, header doc.GenManHeader, dir string) error {
	f, err := os.Create(filepath.Join(dir, "vmo-"+cmd.Name()+".1"))
	if err != nil {
		return fmt.Errorf("write the manual: %w", err)
	}
	return errors.Join(doc.GenMan(cmd, &header, f), f.Close())
}

func everyCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		everyCommand(sub, do)
	}
}

// markdown makes Markdown of a text of help, as the manual and docs/cli.md need it:
// what is indented keeps its lines, and nothing else has a meaning.
func markdown(help string) string {
	lines := strings.Split(help, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "  ") {
			lines[i] = "  " + line
		} else {
			lines[i] = escapes.Replace(line)
		}
	}
	return strings.Join(lines, "\n")
}

var escapes = strings.NewReplacer("*", `\*`, "<", `\<`, "|", `\|`)
