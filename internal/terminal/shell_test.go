package terminal

import (
	"os/exec"
	"strings"
	"testing"
)

// What is printed as the line to type must do the same when it is pasted.
func TestSudoLineCanBePasted(t *testing.T) {
	line := Sudo("sensorgate", []string{"journal", "sessions", "--remove", "it's $HOME", ""})
	if want := `sudo sensorgate journal sessions --remove 'it'\''s $HOME' ''`; line != want {
		t.Errorf("got %s, want %s", line, want)
	}
	out, err := exec.Command("sh", "-c", "sudo() { for a; do echo \"<$a>\"; done; }; "+line).Output()
	if want := "<sensorgate>\n<journal>\n<sessions>\n<--remove>\n<it's $HOME>\n<>\n"; err != nil || string(out) != want {
		t.Errorf("the shell understands %s, %v, want %s", out, err, want)
	}
}

// What is to be typed again is shown to others, mailed and logged: without what is secret.
func TestSudoLineHasNoSecrets(t *testing.T) {
	for _, args := range [][]string{
		{"pub", "-P", "hush", "-t", "x"}, {"pub", "--pw", "hush"}, {"pub", "--pw=hush"}, {"pub", "-Phush"},
		{"sub", "-L", "mqtt://ann:hush@host/x"}, {"sub", "--url=mqtt://ann:hush@host/x"}, {"sub", "--proxy", "socks5h://ann:hush@host"},
	} {
		if line := Sudo("sensorgate", args); strings.Contains(line, "hush") || !strings.Contains(line, args[0]) {
			t.Errorf("%q", line)
		}
	}
	if line := Sudo("sensorgate", []string{"pub", "-t", "a/b", "-L", "mqtt://host:1883/x"}); line != "sudo sensorgate pub -t a/b -L mqtt://host:1883/x" {
		t.Errorf("%q", line)
	}
}
