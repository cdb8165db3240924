package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// typedLine is a line of a grey box: fenced as sh or text, or indented.
	typedLine = regexp.MustCompile(`(?:^|[|;(]|&&)\s*(?:sudo (?:-u \S+ )?)?(?:\S*/)?sensorgate ([a-z](?:'[^']*'|[^|;#&>'])*)`)
	beside    = regexp.MustCompile(`  .*| 2$`) // what a page explains beside a command; the 2 of 2>
	shellWord = regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)
	inlineRun = regexp.MustCompile("`(?:sudo )?sensorgate ([a-z][^`]*)`")
)

// Every command of ours in the documents can be typed: it exists, has these flags, and takes
// as many arguments. What a box shows of the program's output does not begin with its name.
func TestCommandsInDocumentsCanBeTyped(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "../../README.md", "../../SECURITY.md", "../../CHANGELOG.md", "../../deploy/sensorgate.toml", "../../deploy/grafana/README.md")
	seen := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		fenced := false
		for n, line := range strings.Split(string(text), "\n") {
			trimmed := strings.TrimSpace(line)
			if strings.HasPrefix(trimmed, "```") {
				fenced = !fenced
				continue
			}
			var commands []string
			for _, m := range inlineRun.FindAllStringSubmatch(line, -1) {
				named, _, _ := strings.Cut(m[1], " &&")
				commands = append(commands, named)
			}
			inline := len(commands)
			if fenced || strings.HasPrefix(line, "    ") {
				for _, m := range typedLine.FindAllStringSubmatch(trimmed, -1) {
					commands = append(commands, beside.ReplaceAllString(strings.TrimRight(m[1], " "), ""))
				}
			}
			for i, command := range commands {
				if strings.HasPrefix(command, "version ") || strings.ContainsAny(command, "…|") {
					continue // output, or a list of several
				}
				seen++
				if err := typed(shellWord.FindAllString(command, -1), i >= inline); err != nil {
					t.Errorf("%s:%d: sensorgate %s: %v", filepath.Base(page), n+1, command, err)
				}
			}
		}
	}
	if seen < 60 {
		t.Errorf("only %d commands in the documents", seen)
	}
}

// typed looks a command line over without running it; one that a sentence names may lack
// its arguments.
func typed(words []string, whole bool) error {
	for i, w := range words {
		words[i] = strings.Trim(w, `"'`)
	}
	if err := unknownCommand(newRoot(), words); err != nil {
		return err
	}
	cmd, rest, err := newRoot().Find(words)
	if err != nil || cmd.DisableFlagParsing {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if !whole {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
