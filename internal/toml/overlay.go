package toml

// Overlay returns a copy of base with over's fields in place of its own. Where layered
// says so of a field and its parent, two tables are laid over each other field by field.
func Overlay(base, over *Node, layered func(f, parent *Node) bool) *Node {
	out := *over
	out.Fields, out.index = nil, nil
	for _, f := range base.Fields {
		if over.Field(f.Name) == nil {
			out.Add(f.copyTo(&out))
		}
	}
	for _, f := range over.Fields {
		b := base.Field(f.Name)
		switch {
		case b == nil || b.Kind != KindTable || f.Kind != KindTable || !layered(f, over):
			out.Add(f.copyTo(&out))
		default:
			merged := Overlay(b, f, layered)
			out.Add(merged)
		}
	}
	for _, f := range out.Fields {
		f.Parent = &out
	}
	return &out
}

// copyTo copies a node with all below it, so that its path leads through parent.
func (n *Node) copyTo(parent *Node) *Node {
	c := *n
	c.Parent = parent
	c.Fields, c.index, c.Items = nil, nil, nil
	for _, f := range n.Fields {
		c.Add(f.copyTo(&c))
	}
	for _, item := range n.Items {
		c.Items = append(c.Items, item.copyTo(&c))
	}
	return &c
}
