package plug
