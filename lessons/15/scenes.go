package main

import "socketbook/lessons/internal/stage"

var scenes = []stage.Scene{}
