package toml

// Hints are what a program knows of its keys beyond their types. Each may be nil.
type Hints struct {
	// Mistakes are words that people bring along from elsewhere, with what they are
	// called here, best first.
	Mistakes map[string][]string

	// Translate writes the value of n as the key right takes it, where it is written in
	// another way elsewhere.
	Translate func(n *Node, right string) (fix string, ok bool)

	// AsTable writes the text n as the table that has these keys.
	AsTable func(n *Node, keys []string) string

	// Unknown is what to type instead of the key n, where more than its name is wrong.
	Unknown func(n *Node) string

	// Fault takes an error of a Check or UnmarshalText apart that blames one key.
	Fault func(err error) (KeyFault, bool)
}

// KeyFault is a fault in one key below a table.
type KeyFault struct {
	Key      string // "match", "channels.power.input"
	Problem  string // "found the number 5, expected a duration"
	Try      string // what to type instead; may be empty
	Expected string // may be empty
}
