package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A device is read before it is written down, and the file is one that check takes.
func TestAddShowsValuesAndWritesTheDevice(t *testing.T) {
	port := replaying(t, strings.Repeat("0.2 < 53 54 2C 47 53 2C 2B 20 31 2E 35 6B 67 0D 0A\n", 20))
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := commandOutput(t.Context(), "add", "generic/scale", "--port", port, "-y", "-c", file)
	if err != nil || !strings.Contains(out, "1.5 kg") || !strings.Contains(out, "No gateway runs") {
		t.Fatalf("%q, %v, want the weight and what comes next", out, err)
	}
	if out, err := commandOutput(t.Context(), "check", "-c", file); err != nil {
		t.Errorf("%s %v", out, err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "conf.d", "scale.toml"))
	if err != nil || !strings.HasPrefix(string(text), "[device.scale]\nmodel  = \"generic/scale\"\nserial = { port = ") {
		t.Errorf("%s %v", text, err)
	}
	if out, err := commandOutput(t.Context(), "fmt", "--check", filepath.Join(filepath.Dir(file), "conf.d", "scale.toml")); err != nil {
		t.Errorf("not in the usual shape: %s %v", out, err)
	}
	if _, err := commandOutput(t.Context(), "add", "generic/scale", "--port", port, "--name", "scale", "-y", "-c", file); err == nil || !strings.Contains(err.Error(), "scale_2") {
		t.Errorf("a second of the same name: %v", err)
	}
}

// What does not answer is not written down by a script.
func TestAddRefusesWhatDoesNotAnswer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := commandOutput(t.Context(), "add", "generic/scale", "--port", "/dev/ttyNone0", "-y", "-c", file)
	if err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("%v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "conf.d", "*")); len(files) != 0 {
		t.Errorf("files %v", files)
	}
	if _, err := commandOutput(t.Context(), "add", "no/such-model", "--port", "/dev/ttyNone0", "-y", "-c", file); err == nil {
		t.Error("a model that does not exist")
	}
	if out, err := commandOutput(t.Context(), "scan", "--kinds", "gpio,w1"); err != nil || !strings.Contains(out, "sensorgate add") {
		t.Errorf("%q %v", out, err)
	}
}

// A device whose model nobody named is asked who it is, and what it said is written down.
func TestAddFindsOutWhichModelIsOnAPort(t *testing.T) {
	port := simulated(t, "deye/hybrid-1p")
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := commandOutput(t.Context(), "add", "--port", port, "--line", "9600 8N1", "--unit", "1", "--timeout", "10s", "-y", "--unseen", "-c", file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "conf.d", "hybrid-1p.toml"))
	want := "[device.hybrid-1p]\nmodel  = \"deye/hybrid-1p\"\nserial = { port = \"" + port + "\", line = \"9600 8N1\" }\nunit   = 1\n"
	if err != nil || string(text) != want {
		t.Errorf("%v: wrote %q, want %q", err, text, want)
	}
	if out, err := commandOutput(t.Context(), "check", "-c", file); err != nil {
		t.Errorf("%s %v", out, err)
	}
}

// A unit that does not say what it is must not be written down as something.
func TestAddDoesNotGuessWhatAUnitIs(t *testing.T) {
	port := simulated(t, "xy/md02")
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := commandOutput(t.Context(), "add", "--port", port, "--line", "9600 8N1", "--unit", "1", "--timeout", "10s", "-y", "-c", file)
	if err == nil || !strings.Contains(err.Error(), "answers, but not what it is") {
		t.Errorf("%v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "conf.d", "*")); len(files) != 0 {
		t.Errorf("files %v", files)
	}
}

// Whoever answers "y" where a number is wanted is asked again; no file with unit = 0 comes of it.
func TestAddAsksAgainForANumber(t *testing.T) {
	port := simulated(t, "eastron/sdm630")
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := with(t, "y\n300\n1\ny\n", "add", "eastron/sdm630", "--port", port, "--name", "grid", "-c", file)
	if err != nil || !strings.Contains(out, `"300" is no number from 1 to 247`) || !strings.Contains(out, "unit   = 1\n") && !strings.Contains(out, "unit = 1\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// On a port where no Modbus unit answers something may speak by itself: what it is is asked, and a number that
// is none is asked for again.
func TestAddAsksWhatSpeaksByItself(t *testing.T) {
	port := replaying(t, strings.Repeat("0.2 < 53 54 2C 47 53 2C 2B 20 31 2E 35 6B 67 0D 0A\n", 200))
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := with(t, "generic/scale\nweigh\nyes\n", "add", "--port", port, "--line", "9600 8N1", "--unit", "9", "--timeout", "20ms", "-c", file)
	if err != nil || !strings.Contains(out, "no unit answered") || !strings.Contains(out, "1.5 kg") {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "conf.d", "weigh.toml"))
	if err != nil || !strings.Contains(string(text), "model  = \"generic/scale\"") || strings.Contains(string(text), "unit") {
		t.Errorf("%v: wrote %s", err, text)
	}
	port = simulated(t, "xy/md02")
	out, err = with(t, "y\n1\nxy/md02\nroom\nyes\n", "add", "--port", port, "--line", "9600 8N1", "--unit", "1", "--timeout", "10s", "-c", file)
	if err != nil || !strings.Contains(out, `"y" is no number from 1 to 1`) {
		t.Errorf("%v\n%s", err, out)
	}
}
