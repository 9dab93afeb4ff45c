from doit.dependency import Dependency

class Globals:
    dep_manager: Dependency
