package main
func writeCourse(c course, o options, w world) error {return nil}
func writePage(c *comparison, o options, w world) error {return nil}
