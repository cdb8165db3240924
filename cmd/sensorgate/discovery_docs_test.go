package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var typed = regexp.MustCompile("(?m)(?:^ {4,}(?:sudo )?|`(?:sudo )?)sensorgate ([^`\n]+)")

// Whatever the pages of discovery have a person type, the program takes: the commands are
// there, with these flags and as many arguments.
func TestTheCommandsOfTheDiscoveryPagesCanBeTyped(t *testing.T) {
	for _, page := range []string{"home-assistant.md", "homie.md"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		lines := typed.FindAllStringSubmatch(string(text), -1)
		if len(lines) < 2 {
			t.Errorf("%s has %q", page, lines)
		}
		for _, m := range lines {
			cmd, rest, err := newRoot().Find(strings.Fields(m[1]))
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil || !cmd.Runnable() || cmd.HasSubCommands() {
				t.Errorf("%s: sensorgate %s: %v", page, m[1], err)
			}
		}
	}
}
