package main

// serve answers once.
func serve() {
	accept()
	answer()
}
