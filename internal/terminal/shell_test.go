package terminal

import (
	"os/exec"
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
