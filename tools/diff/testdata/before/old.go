package main

func gone() {}
