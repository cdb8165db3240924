package toml

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	in := `
node="x"    # who
topic   =   "{node}/{device}"


[device.a]# first
   driver = "sim"
every="5s"#often
match = '''
  as  it is  
'''
list=[ 1,
  2 ]   # two
`
	want := `node  = "x"                                     # who
topic = "{node}/{device}"

[device.a]# first
driver = "sim"
every  = "5s"                                   #often
match = '''
  as  it is  
'''
list = [ 1,
  2 ]   # two
`
	got, problems := Format("f.toml", in)
	if got != want || len(problems) > 0 {
		t.Errorf("got %v:\n%s\nwant:\n%s", problems, got, want)
	}
	if _, problems := Format("f.toml", "a = b\n"); len(problems) != 1 {
		t.Errorf("a broken file gives %v", problems)
	}
}

// What comes along is in the shape that fmt makes.
func TestExamplesAreFormatted(t *testing.T) {
	files, _ := filepath.Glob("../../configs/*.toml")
	if len(files) == 0 {
		t.Fatal("no examples")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, problems := Format(file, string(text)); got != string(text) {
			t.Errorf("%s is not in the usual shape (%v): sensorgate fmt -w", file, problems)
		}
	}
}

// FuzzFormat: formatting changes no value and no place of one in a table, keeps every
// comment, and does nothing the second time.
func FuzzFormat(f *testing.F) {
	seedTexts(f)
	f.Fuzz(func(t *testing.T, text string) {
		once, problems := Format("f.toml", text)
		if len(problems) > 0 || len(text) > 1<<16 {
			return
		}
		var before, after map[string]any
		if err := decodeTOML(text, &before); err != nil {
			t.Fatalf("formatted what the library refuses: %v", err)
		}
		if err := decodeTOML(once, &after); err != nil {
			t.Fatalf("made what the library refuses: %v\n%s", err, once)
		}
		if !reflect.DeepEqual(before, after) && !strings.Contains(text, "nan") {
			t.Errorf("%v became %v", before, after)
		}
		twice, problems := Format("f.toml", once)
		if twice != once || len(problems) > 0 {
			t.Errorf("again: %q became %q %v", once, twice, problems)
		}
		if strings.Count(once, "#") != strings.Count(text, "#") {
			t.Errorf("%q lost a comment in %q", text, once)
		}
	})
}
