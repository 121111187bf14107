package book

type nothing struct{}

func (nothing) add(student) error { return nil }
func (nothing) close() error      { return nil }

func newSummary(*class) output { return nothing{} }
func newJUnit(*class) output   { return nothing{} }
