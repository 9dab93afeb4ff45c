# Types of the parts of doit 0.37 that cvimake uses: doit itself ships none.
