package main

// serve answers for ever.
func serve() {
	for {
		accept()
		answer()
	}
}
