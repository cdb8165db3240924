package drivers

// Nested moves a fault in options below the key that they stand under: at below length
// becomes length.at. An error that is no KeyError, and nil, are returned as they are.
func Nested(key string, err error) error {
	if ke, ok := err.(*KeyError); ok {
		moved := *ke
		moved.Key = key + "." + ke.Key
		return &moved
	}
	return err
}
