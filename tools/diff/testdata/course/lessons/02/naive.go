package main

func naive() {}
