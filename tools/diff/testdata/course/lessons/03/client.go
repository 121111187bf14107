package main

func talk() {}

func hear() {}
