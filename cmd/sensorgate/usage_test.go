package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever is wrong on the command line ends with 2 and says where the help is.
func TestWrongUsageIsExitCodeTwo(t *testing.T) {
	good := writeConfig(t, smallConfig)
	for _, args := range [][]string{
		{"chekc"}, {"check", "--confg", "x"}, {"check", good, good}, {"check", good, "-c", good}, {"status", "now"},
		{"model", "modbus"}, {"journal", "statsu"}, {"read"}, {"replay", filepath.Join(t.TempDir(), "none")},
	} {
		root := newRoot()
		err := unknownCommand(root, args)
		if err == nil {
			_, err = with(t, "", args...)
		}
		var usage usageError
		if !errors.As(err, &usage) {
			t.Errorf("%v ends with %v, want an error of usage", args, err)
			continue
		}
		if text := err.Error(); args[0] != "replay" && !strings.Contains(text, "--help") && !strings.Contains(text, "two configurations") {
			t.Errorf("%v: %q does not say where the help is", args, text)
		}
	}
	for _, args := range [][]string{{"--version"}, {"-v"}, {"version", "--json"}, {"check", good}, {"topics", good}, {"route", "n/a/v", good}, {"help", "model"}, {"model", "--help"}} {
		if err := unknownCommand(newRoot(), args); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if out, err := with(t, "", args...); err != nil || out == "" {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
}

// The hint of an unknown command names those that are near.
func TestUnknownCommandHint(t *testing.T) {
	err := unknownCommand(newRoot(), []string{"journal", "statu"})
	if err == nil || !strings.Contains(err.Error(), "did you mean status?") {
		t.Errorf("got %v", err)
	}
}

// A broken file may still name the store whose gateway must hear of the reload.
func TestStoreOfABrokenFile(t *testing.T) {
	for text, want := range map[string]string{
		"node = \"n\"\ndata = \"/x/y\"\n[device.a]\nbad": "/x/y",
		"data='z'\nbad": "z",
		"\n# data = \"/no\"\n\n  data = \"\" # memory\nbad": "",
	} {
		m := dataLine.FindStringSubmatch(text)
		if m == nil || m[1] != want {
			t.Errorf("%q: found %q, want %q", text, m, want)
		}
	}
	if m := dataLine.FindStringSubmatch("node = \"n\"\n[device.a]\ndata = \"/x\"\n"); m != nil {
		t.Errorf("the data of a table is taken for the store: %q", m[1])
	}
}

// An argument that lacks is named, as the help names it; so is what no model has.
func TestMissingWordsAreNamed(t *testing.T) {
	for line, want := range map[string]string{
		"scan modbus":               "expected sensorgate scan modbus PORT",
		"passwd add":                "expected sensorgate passwd add FILE USER",
		"model list nothere modbus": "no model with nothere and modbus in its name",
	} {
		if _, err := with(t, "", strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}
