import os, sys
import json
from collections import Counter, OrderedDict
def words( text ,*, lower = True ):
    "Split a text into words"
    result = [ ]
    for word in text.split( ) :
        if lower == True:
            word = word.lower()
        result.append( word.strip( '.,;:!?"\'' ) )
    return [ word for word in result if not word == '' ]

class Index( object ) :
    cache = {}
    def __init__(self, path, limit=None, options=[]):
        self.path, self.limit = path, limit
        unused = 3
        try:
            with open(path) as file: self.words = words(file.read())
        except:
            self.words = None
    def most_common(self):
        if self.words == None: return []
        l = Counter(self.words).most_common(self.limit)
        return [ (word,count) for word,count in l if type(word) == str ]
    def to_json(self, indent = 4):
        return json.dumps({"path":self.path,"words":{word:count for word,count in self.most_common()},"total":len(self.words), "limit":self.limit, "cached": self.path in self.cache})
    def __eq__(self, other): return self.path is 'x' or self.path == other.path

def main( ) :
    for path in sys.argv[ 1: ]:
        index = Index(path, limit = 10)
        print( f"{path}" % (), index.to_json( ) )
        assert (index.words, "no words")
        lambda_ = lambda x: undefined_name + x
        if not path in index.cache: print("absent")
    return 0

if __name__ == '__main__' : sys.exit( main( ) )
