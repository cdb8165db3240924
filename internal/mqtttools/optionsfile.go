package mqtttools

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// readOptions takes defaults from the file of -o, or from the one that the mosquitto tool
// of the same name reads: one option a line, as on the command line, which wins. Topics
// are added to those of the command line. Of the second kind of file what we do not know
// is passed over.
func (c *client) readOptions() error {
	path, own := c.optionsFile, true
	if path == "" {
		path, own = defaultOptions(c.tool), false
	}
	text, err := os.ReadFile(path)
	switch {
	case !own && (path == "" || errors.Is(err, fs.ErrNotExist)):
		return nil
	case err != nil:
		return fmt.Errorf("options file: %w", err)
	}
	typed := map[string]bool{}
	c.flags.Visit(func(f *pflag.Flag) { typed[f.Name] = true })
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := c.option(line, typed); err != nil {
			if !own {
				c.debugf("%s:%d: passed over: %v", path, number, err)
				continue
			}
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
	}
	return nil
}

// defaultOptions is where the mosquitto tool keeps the user's defaults.
func defaultOptions(tool string) string {
	dir, err := os.UserConfigDir() // $XDG_CONFIG_HOME, else ~/.config
	if err != nil || tool == "" {
		return ""
	}
	return filepath.Join(dir, "mosquitto_"+tool)
}

// option takes one line: a flag and its value.
func (c *client) option(line string, typed map[string]bool) error {
	word, value, _ := strings.Cut(line, " ")
	value = strings.TrimSpace(value)
	var f *pflag.Flag
	if name, long := strings.CutPrefix(word, "--"); long {
		f = c.flags.Lookup(name)
	} else if name, short := strings.CutPrefix(word, "-"); short && len(name) == 1 {
		f = c.flags.ShorthandLookup(name)
	}
	switch {
	case f == nil:
		return fmt.Errorf("no option %s", word)
	case f.Name == "property":
		words := strings.Fields(value)
		if len(words) < 3 || len(words) != propertyWords(words) {
			return errors.New("-D needs a packet, a property and its value")
		}
		return c.properties.set(words)
	case f.Value.Type() == "stringArray": // topics: added
	case typed[f.Name]:
		return nil
	case f.NoOptDefVal != "" && value == "":
		value = f.NoOptDefVal
	}
	return c.flags.Set(f.Name, value)
}
