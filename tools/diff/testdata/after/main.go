package main

func main() { serve(nil) }
