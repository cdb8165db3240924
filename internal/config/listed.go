package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/toml"
)

// listedTexts checks the options of a channel against what its driver says of its values.
// Whoever gets a list with texts that never come (Home Assistant, Homie, the schema, the page)
// waits for what never comes, and takes what does come for a fault.
func (l *loader) listedTexts(known *drivers.Channel, options []string, n *toml.Node) {
	for i, o := range options {
		switch {
		case o == "":
			l.AtValue(n, "an empty text is no value", toml.Try("without it"))
			return
		case slices.Contains(options[:i], o):
			l.AtValue(n, fmt.Sprintf("%q stands there twice", o), toml.Try("each text once"))
			return
		case known.Values != nil && !slices.Contains(known.Values, o):
			l.AtValue(n, fmt.Sprintf("this channel is never %q", o), toml.Expected("what it is: "+strings.Join(known.Values, ", ")), toml.Try("without options"))
			return
		case known.Values == nil && numbersAlone(known) && !isNumber(o):
			l.AtValue(n, fmt.Sprintf("the values of this channel are numbers, and never %q", o), toml.Try("without options"))
			return
		}
	}
	for _, v := range known.Values {
		if !slices.Contains(options, v) {
			l.AtValue(n, fmt.Sprintf("this channel can be %q as well", v), toml.Expected("all that it can be: "+strings.Join(known.Values, ", ")), toml.Try("without options"))
			return
		}
	}
}

// numbersAlone reports whether a channel has nothing but numbers.
func numbersAlone(c *drivers.Channel) bool {
	_, _, hasRange := c.Range()
	return c.Unit != "" || c.Kind == drivers.Total || hasRange
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
