package toml

import (
	"strconv"
	"strings"
)

// Bounds on what a file may look like, checked before the TOML library sees it: the
// library needs time and stack that grow with the square or the depth of these.
const (
	MaxFileSize = 16 << 20
	maxDepth    = 64 // of brackets and of dotted keys together
)

// scanner finds where keys and values stand in a TOML text. It is lenient about
// values (the library decodes those) and stops at the first thing whose extent it
// cannot tell.
type scanner struct {
	src   *Source
	text  string
	pos   int
	depth int
	root  *Node
	twice []duplicate

	statements []statement // outside of brackets and braces
	stop       *scanStop
}

// duplicate is a key that stands in one file twice.
type duplicate struct {
	first *Node
	again span
}

// scanStop is where the scanner could not go on.
type scanStop struct {
	at     int
	reason string // "" when the library will have a better word
}

// scan reads src as far as it can be followed.
func scan(src *Source) (s *scanner) {
	s = &scanner{src: src, text: src.Text, root: &Node{Kind: KindTable, Source: src, Opened: true}}
	defer func() {
		switch stop := recover().(type) {
		case nil:
		case scanStop:
			s.stop = &stop
		default:
			panic(stop)
		}
	}()
	s.document()
	return s
}

// fail ends the scan; scan catches it.
func (s *scanner) fail(reason string) { panic(scanStop{at: s.pos, reason: reason}) }

func (s *scanner) document() {
	table := s.root
	if strings.HasPrefix(s.text, "\ufeff") {
		s.pos += len("\ufeff")
	}
	for {
		s.blank(true)
		switch {
		case s.pos >= len(s.text):
			return
		case s.peek() == '[':
			table = s.header()
		default:
			s.keyValue(table)
		}
	}
}

// header reads [a.b] or [[a.b]] and returns the table that it opens.
func (s *scanner) header() *Node {
	s.pos++
	list := s.peek() == '['
	if list {
		s.pos++
	}
	parts, whole := s.keyPath()
	s.expect(']')
	if list {
		s.expect(']')
	}
	at := s.descend(s.root, parts[:len(parts)-1])
	last := parts[len(parts)-1]
	old := at.Field(last.name)
	if list {
		return s.listItem(at, old, last.name, whole)
	}
	switch {
	case old == nil:
		t := &Node{Kind: KindTable, Name: last.name, Source: s.src, key: whole, val: whole, Opened: true}
		at.Add(t)
		return t
	case old.Kind == KindTable && !old.Opened:
		old.Opened, old.key, old.val = true, whole, whole
		return old
	}
	s.twice = append(s.twice, duplicate{old, whole})
	return &Node{Kind: KindTable, Name: last.name, Source: s.src, Parent: at, Opened: true} // read on, apart from the tree
}

// listItem opens one more item of a [[list]].
func (s *scanner) listItem(at, list *Node, name string, where span) *Node {
	item := &Node{Kind: KindTable, Source: s.src, key: where, val: where, Opened: true}
	switch {
	case list == nil:
		list = &Node{Kind: KindArray, Name: name, Source: s.src, key: where, val: where, Opened: true}
		at.Add(list)
	case list.Kind != KindArray || list.inline:
		s.twice = append(s.twice, duplicate{list, where})
		return item
	}
	list.addItem(item)
	return item
}

func (n *Node) addItem(item *Node) {
	item.Parent = n
	item.Name = "[" + strconv.Itoa(len(n.Items)) + "]"
	n.Items = append(n.Items, item)
}

// descend goes down from t along a dotted key, making tables that are not there.
func (s *scanner) descend(t *Node, parts []keyPart) *Node {
	for _, p := range parts {
		next := t.Field(p.name)
		switch {
		case next == nil:
			next = &Node{Kind: KindTable, Name: p.name, Source: s.src, key: p.span, val: p.span}
			t.Add(next)
		case next.Kind == KindArray && len(next.Items) > 0 && next.Items[len(next.Items)-1].Kind == KindTable:
			next = next.Items[len(next.Items)-1]
		case next.Kind != KindTable:
			s.twice = append(s.twice, duplicate{next, p.span})
			next = &Node{Kind: KindTable, Name: p.name, Source: s.src, Parent: t}
		}
		t = next
	}
	return t
}

func (s *scanner) keyValue(table *Node) {
	parts, whole := s.keyPath()
	s.expect('=')
	at := s.descend(table, parts[:len(parts)-1])
	last := parts[len(parts)-1]
	n := &Node{Name: last.name, Source: s.src, key: last.span}
	s.blank(false)
	s.value(n)
	if s.depth == 0 {
		s.statements = append(s.statements, statement{whole, n.val})
	}
	if old := at.Field(n.Name); old != nil {
		s.twice = append(s.twice, duplicate{old, whole})
		return
	}
	at.Add(n)
}

// Value reads one value into n.
func (s *scanner) value(n *Node) {
	start := s.pos
	switch c := s.peek(); c {
	case '"', '\'':
		n.Kind = KindString
		s.str(c)
	case '[':
		s.array(n)
	case '{':
		s.inlineTable(n)
	default:
		s.bare()
		if s.pos == start {
			s.fail("")
		}
	}
	n.val = span{start, s.pos}
}

func (s *scanner) array(n *Node) {
	n.Kind, n.inline = KindArray, true
	s.deeper()
	s.pos++
	for {
		s.blank(true)
		if s.peek() == ']' {
			break
		}
		item := &Node{Source: s.src}
		n.addItem(item)
		s.value(item)
		item.key = item.val
		s.blank(true)
		if s.peek() == ',' {
			s.pos++
		} else if s.peek() != ']' {
			s.fail("")
		}
	}
	s.pos++
	s.depth--
}

func (s *scanner) inlineTable(n *Node) {
	n.Kind, n.inline, n.Opened = KindTable, true, true
	s.deeper()
	s.pos++
	for {
		s.blank(true)
		if s.peek() == '}' {
			break
		}
		s.keyValue(n)
		s.blank(true)
		if s.peek() == ',' {
			s.pos++
		} else if s.peek() != '}' {
			s.fail("")
		}
	}
	s.pos++
	s.depth--
}

func (s *scanner) deeper() {
	if s.depth++; s.depth > maxDepth {
		s.fail("nested more than " + strconv.Itoa(maxDepth) + " deep")
	}
}

// str reads a string in any of the four kinds of quotes.
func (s *scanner) str(quote byte) {
	triple := strings.Repeat(string(quote), 3)
	if strings.HasPrefix(s.text[s.pos:], triple) {
		s.multiline(quote, triple)
		return
	}
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '\\' && quote == '"':
			s.pos++
		case c == '\n':
			s.fail("")
		case c == quote:
			s.pos++
			return
		}
	}
	s.fail("")
}

func (s *scanner) multiline(quote byte, triple string) {
	for s.pos += 3; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '\\' && quote == '"':
			s.pos++
		case c == quote && strings.HasPrefix(s.text[s.pos:], triple):
			s.pos += 3
			// Up to two quotes may stand directly before the closing three.
			for i := 0; i < 2 && s.peek() == quote; i++ {
				s.pos++
			}
			return
		}
	}
	s.fail("")
}

// HideLine reads a number, a boolean or a time. Its kind comes from the library.
func (s *scanner) bare() {
	start := s.pos
	for s.pos < len(s.text) && !strings.ContainsRune(" \t\r\n,]}#=", rune(s.text[s.pos])) {
		s.pos++
	}
	// A date and a time of day may be joined by one space.
	if word := s.text[start:s.pos]; len(word) == len("2006-01-02") && word[4] == '-' && s.peek() == ' ' &&
		s.pos+1 < len(s.text) && s.text[s.pos+1] >= '0' && s.text[s.pos+1] <= '9' {
		s.pos++
		s.bare()
	}
}

type keyPart struct {
	name string
	span
}

// keyPath reads a dotted key, with its parts and its whole extent.
func (s *scanner) keyPath() (parts []keyPart, whole span) {
	for {
		s.blank(false)
		start := s.pos
		name := s.keyName()
		parts = append(parts, keyPart{name, span{start, s.pos}})
		if len(parts) > maxDepth {
			s.fail("nested more than " + strconv.Itoa(maxDepth) + " deep")
		}
		end := s.pos
		s.blank(false)
		if s.peek() != '.' {
			return parts, span{parts[0].off, end}
		}
		s.pos++
	}
}

func (s *scanner) keyName() string {
	start := s.pos
	switch c := s.peek(); c {
	case '"', '\'':
		s.str(c)
		raw := s.text[start:s.pos]
		if c == '\'' {
			return raw[1 : len(raw)-1]
		}
		return unquoteKey(raw)
	}
	for isBareByte(s.peek()) {
		s.pos++
	}
	if s.pos == start {
		s.fail("")
	}
	return s.text[start:s.pos]
}

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) expect(c byte) {
	s.blank(false)
	if s.peek() != c {
		s.fail("")
	}
	s.pos++
}

// blank skips spaces and, where lines may end, line ends and comments.
func (s *scanner) blank(lines bool) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t':
		case !lines:
			return
		case c == '\r' || c == '\n':
		case c == '#':
			if i := strings.IndexByte(s.text[s.pos:], '\n'); i >= 0 {
				s.pos += i
			} else {
				s.pos = len(s.text)
				return
			}
		default:
			return
		}
		s.pos++
	}
}
