package broker

// identity is who a client has proved to be.
type identity struct {
	user string
}

// rights say who may publish, subscribe and receive what.
type rights struct{}

func (r *rights) mayWrite(*session, string) bool     { return true }
func (r *rights) mayRead(*session, string) bool      { return true }
func (r *rights) maySubscribe(*session, string) bool { return true }
